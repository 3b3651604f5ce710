"""All pages of the sandbox: token endpoint, Graph, import URLs and EWS, with faults in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from sandbox.ews import PATHS, Ews
from sandbox.faults import Fault, Faults, Kind, status_error, truncated
from sandbox.graph import Graph
from sandbox.http import HttpError, Request, Response, error_response
from sandbox.store import Store
from sandbox.tokens import Authority

Page = Callable[[Fault | None], Response]

logger = logging.getLogger(__name__)


class Application:
    """Answers every request; what goes wrong is an answer too."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.authority = Authority(store)
        self._faults = faults
        self._graph = Graph(store, self.authority, faults)
        self._ews = Ews(store, self.authority, faults)

    def answer(self, request: Request) -> Response:
        try:
            page = self._page(request)
        except HttpError as error:
            return error_response(error)
        if isinstance(page, Response):
            return page
        return self._answer(request, page)

    def _answer(self, request: Request, page: Page) -> Response:
        fault = self._faults.strike(request)
        try:
            if fault and fault.kind is Kind.RESET:
                return Response(reset=True)
            if fault and fault.kind is Kind.STATUS:
                raise status_error(fault)
            response = page(fault)
        except HttpError as error:
            response = error_response(error)
        logger.info("%s %s %d", request.method, request.path, response.status)
        if fault and fault.kind is Kind.LOST:
            return Response(reset=True)
        if fault and fault.kind is Kind.TRUNCATED:
            return truncated(response)
        if fault and fault.kind is Kind.SLOW:
            response.seconds = fault.seconds
        return response

    def _page(self, request: Request) -> Page | Response:
        """What answers a request. A challenge to sign in comes before any fault: the handshake of
        NTLM is not counted."""
        if tuple(segment.lower() for segment in request.segments) in PATHS:
            caller = self._ews.caller(request)
            if isinstance(caller, Response):
                return caller
            return lambda fault: self._ews.answer(request, caller, fault)
        return lambda fault: self._route(request, fault)

    def _route(self, request: Request, fault: Fault | None) -> Response:
        if fault and fault.kind is Kind.EXPIRED_STATE:
            raise status_error(replace(fault, status=410))
        match (request.method, request.segments):
            case ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]):
                return self.authority.configuration(request, tenant)
            case ("POST", [tenant, "oauth2", "v2.0", "token"]):
                ahead = (fault.clock or 0) if fault and fault.kind is Kind.CLOCK else 0
                return self.authority.token(request, tenant, ahead)
            case (_, ["v1.0" | "beta", *_]):
                return self._graph.answer(request)
            case ("POST", ["api", "gv1.0", _, "importItem"]):
                return self._graph.import_item(request)
        raise HttpError(404, "ResourceNotFound", "There is no such page.")
