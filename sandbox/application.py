"""All pages of the sandbox: the token endpoint, Graph and import URLs, with faults in between."""

from __future__ import annotations

import logging

from sandbox.faults import Faults, Kind, status_error, truncated
from sandbox.graph import Graph
from sandbox.http import HttpError, Request, Response, error_response
from sandbox.store import Store
from sandbox.tokens import Authority

logger = logging.getLogger(__name__)


class Application:
    """Answers every request; what goes wrong is an answer too."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.authority = Authority(store)
        self._faults = faults
        self._graph = Graph(store, self.authority, faults)

    def answer(self, request: Request) -> Response:
        fault = self._faults.strike(request)
        try:
            if fault and fault.kind is Kind.RESET:
                return Response(reset=True)
            if fault and fault.kind is Kind.STATUS:
                raise status_error(fault)
            response = self._route(request)
        except HttpError as error:
            response = error_response(error)
        logger.info("%s %s %d", request.method, request.path, response.status)
        if fault and fault.kind is Kind.LOST:
            return Response(reset=True)
        if fault and fault.kind is Kind.TRUNCATED:
            return truncated(response)
        return response

    def _route(self, request: Request) -> Response:
        match (request.method, request.segments):
            case ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]):
                return self.authority.configuration(request, tenant)
            case ("POST", [tenant, "oauth2", "v2.0", "token"]):
                return self.authority.token(request, tenant)
            case (_, ["v1.0", *_]):
                return self._graph.answer(request)
            case ("POST", ["api", "gv1.0", _, "importItem"]):
                return self._graph.import_item(request)
        raise HttpError(404, "ResourceNotFound", "There is no such page.")
