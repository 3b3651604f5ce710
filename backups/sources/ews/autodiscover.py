"""Where an organization's web services are, asked for once, when it is connected.

The SOAP form of Autodiscover (MS-OXWSADISC, GetUserSettings). Redirects by plain HTTP and by DNS
are not followed: the person who connects a server can type its address.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import requests
from spnego.exceptions import SpnegoError

from backups.sources.errors import NotPermitted, SourceError, Unavailable
from backups.sources.ews.answers import BrokenAnswer, read
from backups.sources.ews.sessions import Sessions
from backups.sources.ews.settings import EwsSettings
from backups.sources.ews.soap import SOAP, text

_AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_ADDRESSING = "http://www.w3.org/2005/08/addressing"
_PATH = "/autodiscover/autodiscover.svc"
_WANTED = ("ExternalEwsUrl", "InternalEwsUrl")
_TIMEOUT = (10.0, 30.0)
_CHUNK = 64 * 1024


def find_url(
    address: str,
    settings: EwsSettings,
    permit: Callable[[str], None],
    hosts: tuple[str, ...] = (),
) -> str:
    """The https address of Exchange.asmx for a mailbox.

    ``settings`` say how to sign in and whom to trust; their url is not used. ``permit`` is called
    with each address before it is asked, and with the one that is found, and raises SourceError
    for one that may not be. ``hosts`` replaces the two that its domain stands for.

    Raises NotPermitted where a server refuses the account, else Unavailable with what each said.
    """
    domain = address.rpartition("@")[2]
    said = []
    for host in hosts or (f"autodiscover.{domain}", domain):
        url = f"https://{host}{_PATH}"
        try:
            permit(url)
            found = _ask(url, address, settings)
            permit(found)
        except NotPermitted:
            raise
        except SourceError as error:
            said.append(f"{host}: {error}")
            continue
        return found
    raise Unavailable(f"no server says where {address} is ({'; '.join(said)})")


def _ask(url: str, address: str, settings: EwsSettings) -> str:
    sessions = Sessions(replace(settings, url=url))
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    try:
        with (
            sessions.use() as session,
            session.post(
                url,
                data=_request(url, address).encode(),
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as response,
        ):
            if response.status_code in (401, 403):
                raise NotPermitted(f"{url}: sign-in was refused ({response.status_code})")
            if response.status_code != 200:
                raise Unavailable(f"answers {response.status_code}")
            answer = read(response.iter_content(_CHUNK))
    except (
        requests.RequestException,
        SpnegoError,
        BrokenAnswer,
        PermissionError,
        KeyError,
    ) as error:
        raise Unavailable(f"can't be asked ({type(error).__name__})") from error
    finally:
        sessions.close()
    settings_told = {
        one.findtext(_name("Name")): (one.findtext(_name("Value")) or "").strip()
        for one in answer.body.iter(_name("UserSetting"))
    }
    told = (settings_told.get(name, "") for name in _WANTED)
    found = next(_usable(told), "")
    if not found:
        codes = [one.text or "" for one in answer.body.iter(_name("ErrorCode"))]
        problems = ", ".join(code for code in codes if code != "NoError")
        raise Unavailable(f"names no web services ({problems or 'without a reason'})")
    return found


def _usable(urls: Iterator[str]) -> Iterator[str]:
    return (url for url in urls if urlsplit(url).scheme == "https" and urlsplit(url).hostname)


def _request(url: str, address: str) -> str:
    wanted = "".join(f"<a:Setting>{name}</a:Setting>" for name in _WANTED)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{_AUTODISCOVER}" xmlns:w="{_ADDRESSING}">'
        "<s:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion>"
        f"<w:MessageID>urn:uuid:{uuid.uuid4()}</w:MessageID>"
        f"<w:Action>{_AUTODISCOVER}/Autodiscover/GetUserSettings</w:Action>"
        f"<w:To>{text(url)}</w:To></s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request>"
        f"<a:Users><a:User><a:Mailbox>{text(address)}</a:Mailbox></a:User></a:Users>"
        f"<a:RequestedSettings>{wanted}</a:RequestedSettings></a:Request>"
        "</a:GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    )


def _name(name: str) -> str:
    return f"{{{_AUTODISCOVER}}}{name}"
