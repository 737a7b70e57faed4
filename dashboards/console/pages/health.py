"""What machines ask: is the console up, can it do its work, what are the numbers."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from dashboards.console.context import ConsoleContext
from dashboards.console.metrics import expose
from dashboards.console.pipeline_status import hear_pipeline
from dashboards.console.visit import Context

router = APIRouter()


@router.get("/health/live")
def live() -> Response:
    """Answer that the process serves."""
    return JSONResponse({"live": True})


@router.get("/health/ready")
def ready(context: Context) -> Response:
    """Answer whether the service runs and people can act: its pipeline lives, its database is ours.

    Nothing that is down around it counts, neither broker nor store nor a full disk: to start the
    service again or to keep people from the console mends none of them. The operator is paged.
    """
    problems = _problems(context)
    return JSONResponse(
        {"ready": not problems, "problems": problems}, status_code=503 if problems else 200
    )


@router.get("/metrics")
def metrics(context: Context) -> Response:
    """Give all numbers to Prometheus; there is nothing about anybody among them."""
    return Response(expose(context), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _problems(context: ConsoleContext) -> list[str]:
    problems: list[str] = []
    try:
        if not context.is_migrated():
            problems.append("the database has another schema: run `gatehouse migrate`")
    except SQLAlchemyError as error:
        problems.append(f"the database does not answer ({type(error).__name__})")
    if not hear_pipeline(context.data_dir).is_fresh:
        problems.append("the pipeline has not told of itself for ten seconds: is it running?")
    return problems
