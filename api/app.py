"""The HTTP interface: routes, errors and doors put together. OpenAPI is at `/openapi.json` and `/docs`."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Response

from api import plugins
from api.doors import Doors
from api.errors import add_error_handling
from api.routes import authorizations, cards, customers, health, issuing, links, payments, savings, transfers
from gateways.iso8583.metrics import MEDIA_TYPE, exposition
from gateways.iso8583.wires import Wires


def create_metrics_app(wires: Wires) -> FastAPI:
    """`/metrics` alone, for hosts that have no other HTTP interface."""
    app = FastAPI(title="Bezant", version=version("bezant"), openapi_url=None)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(exposition(wires), media_type=MEDIA_TYPE)

    return app


def create_app(doors: Doors) -> FastAPI:
    """The application behind these doors, with the routers of plug-ins after ours. Their writers must be running."""
    app = FastAPI(
        title="Bezant",
        version=version("bezant"),
        description="Card payments, transfers between people, wallets and savings. Amounts are in minor units.",
        redirect_slashes=False,
    )
    app.state.doors = doors
    add_error_handling(app)
    ours = (health, links, payments, transfers, customers, savings, cards, issuing, authorizations)
    for one in ours:
        app.include_router(one.router)
    for router in plugins.load(plugins.ROUTERS, APIRouter):
        app.include_router(router)
    return app
