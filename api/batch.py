"""Many runs by one request: each is accepted or refused by itself, and all that are accepted are one commit."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response, request

from api.crossing import backend, crossing
from api.executions import EXAMPLE, KEY_MEANING
from api.messages import answer, body, wrong
from api.openapi import Description, describe
from api.problems import ProblemDetails, details_of
from api.sessions import context, current_account
from application.executions import BATCH_RUNS, Accepted
from application.run_requests import RunRequest
from domain.aggregate import DomainError

blueprint = Blueprint("batch", __name__, url_prefix="/api/v1")

Size = Meta(min_length=1, max_length=BATCH_RUNS)


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs to request, all at once."""

    items: Annotated[list[RunRequest], Size]


class Unread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch whose items are looked at one by one, so that a wrong one does not spoil the others."""

    items: Annotated[list[msgspec.Raw], Size]


class BatchItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: the id and position of its run, or why there is none."""

    execution_id: UUID | None = None
    position: int | None = None
    problem: ProblemDetails | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    items: list[BatchItem]
    """One for each item of the request, in its order."""


@blueprint.post("/execute/batch")
@describe(
    Description(
        {202: BatchAnswer},
        (401,),
        body=Batch,
        example={"items": [EXAMPLE]},
        headers={"Idempotency-Key": KEY_MEANING},
    )
)
async def execute_batch() -> Response:
    """Accept many runs by one commit. A wrong item is answered with its problem and changes nothing for the others.

    An `Idempotency-Key` holds for each item in its place: sent again, what was accepted is answered as it was, what was
    refused or is new gets another try, and an item other than the accepted one is answered with a 409 problem.
    """
    account = await current_account()
    read = [_read(item) for item in (await body(Unread)).items]
    wanted = {number: item for number, item in enumerate(read) if isinstance(item, RunRequest)}
    key = request.headers.get("Idempotency-Key")
    answers = await crossing(backend().executions.request_all, context(account.id), account.id, wanted, key)
    return answer(BatchAnswer([_shown(answers.get(number, item)) for number, item in enumerate(read)]), 202)


def _read(item: msgspec.Raw) -> RunRequest | ProblemDetails:
    try:
        return msgspec.json.decode(item, type=RunRequest)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        detail, errors = wrong("The item", error)
        return ProblemDetails("Unprocessable Entity", 422, detail, errors=errors)


def _shown(item: Accepted | DomainError | RunRequest | ProblemDetails) -> BatchItem:
    match item:
        case Accepted(execution_id=execution, position=position):
            return BatchItem(execution, position)
        case DomainError():
            return BatchItem(problem=details_of(item))
        case ProblemDetails():
            return BatchItem(problem=item)
    raise AssertionError(item)
