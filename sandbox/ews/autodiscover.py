"""Autodiscover over SOAP: where somebody's mailbox is served (MS-OXWSADISC, GetUserSettings)."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from sandbox.ews.sign_in import ServerCaller
from sandbox.ews.xml import XmlError, child, local_name, parse, plain, soap, text_of, to_bytes
from sandbox.http import HttpError, Request, Response
from sandbox.records import NotFound, User
from sandbox.store import Store

NAMESPACE = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
AUTODISCOVER_PATH = ("autodiscover", "autodiscover.svc")
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_SCHEMAS = "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2013, Exchange2013_SP1"
_BUILD = "15.02.1544.004"

ElementTree.register_namespace("a", NAMESPACE)


def user_settings(store: Store, request: Request, caller: ServerCaller) -> Response:
    """The settings that are asked for, of each person. Raises HttpError 400 for no request."""
    try:
        envelope = parse(request.body)
    except XmlError as error:
        raise HttpError(400, "BadRequest", str(error)) from error
    body = child(envelope, "Body")
    wanted = child(body[0], "Request") if body is not None and len(body) else None
    if wanted is None:
        raise HttpError(400, "BadRequest", "The request is no GetUserSettings.")
    people = [text_of(one, "Mailbox") for one in _children(wanted, "Users")]
    names = [one.text or "" for one in _children(wanted, "RequestedSettings")]
    answers = [_person(store, request, caller, person, names) for person in people]
    response = _element(
        "Response",
        _element("ErrorCode", "NoError"),
        _element("ErrorMessage"),
        _element("UserResponses", *answers),
    )
    version = _element(
        "ServerVersionInfo",
        _element("MajorVersion", "15"),
        _element("MinorVersion", "2"),
        _element("MajorBuildNumber", "1544"),
        _element("MinorBuildNumber", "4"),
        _element("Version", "Exchange2013_SP1"),
    )
    content = soap("Body", _element("GetUserSettingsResponseMessage", response))
    text = to_bytes(soap("Envelope", soap("Header", version), content))
    return Response(200, [text], {"Content-Type": "text/xml; charset=utf-8"})


def _person(
    store: Store, request: Request, caller: ServerCaller, address: str, names: list[str]
) -> Element:
    try:
        user = store.user(address)
    except NotFound:
        user = None
    if (
        user is None
        or user.directory != caller.directory
        or user.mailbox is None
        or not store.is_on_server(user.mailbox)
    ):
        return _element(
            "UserResponse",
            _element("ErrorCode", "InvalidUser"),
            _element("ErrorMessage", "The user is not known to this server."),
        )
    known = _settings(request, user)
    settings = [_setting(name, known[name]) for name in names if name in known]
    return _element(
        "UserResponse",
        _element("ErrorCode", "NoError"),
        _element("ErrorMessage", "No error."),
        _element("UserSettingErrors"),
        _element("UserSettings", *settings),
    )


def _settings(request: Request, user: User) -> dict[str, str]:
    url = f"{request.base_url}/EWS/Exchange.asmx"
    return {
        "UserDisplayName": user.name,
        "AutoDiscoverSMTPAddress": user.address,
        "InternalEwsUrl": url,
        "ExternalEwsUrl": url,
        "EwsSupportedSchemas": _SCHEMAS,
        "CasVersion": _BUILD,
        "ExternalEwsVersion": _BUILD,
    }


def _setting(name: str, value: str) -> Element:
    setting = _element("UserSetting", _element("Name", name), _element("Value", value))
    setting.set(_TYPE, "StringSetting")
    return setting


def _children(element: Element, name: str) -> list[Element]:
    found = child(element, name)
    return [] if found is None else list(found)


def _element(name: str, *content: Element | str) -> Element:
    made = plain(name, *content)
    made.tag = f"{{{NAMESPACE}}}{local_name(made)}"
    return made
