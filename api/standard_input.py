"""Standard input for a run that goes on."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.executions import check_owner
from api.messages import answer, body
from api.openapi import Description, describe
from api.sessions import context, current_account
from application.ports.log import LAST_POSITION
from application.standard_input import Given
from domain.standard_input import BYTES

blueprint = Blueprint("standard_input", __name__, url_prefix="/api/v1")

Offset = Meta(
    ge=0, le=LAST_POSITION, description="How many bytes were given before, without the `stdin` of the request."
)
EXAMPLE = {"text": "Ann\n", "offset": 0}


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the script reads next: text, or bytes as base64; or its end, or both."""

    text: Annotated[str, Meta(description="Read as UTF-8.")] | None = None
    base64: bytes | None = None
    end: Annotated[bool, Meta(description="Whether nothing follows: the script reads an end of file.")] = False
    offset: Annotated[int, Offset] | None = None

    def __post_init__(self) -> None:
        if self.text is not None and self.base64 is not None:
            raise ValueError("send `text` or `base64`, not both")
        if not (self.content or self.end):
            raise ValueError(f"send some `text` or `base64`, at most {BYTES:,} bytes in all, or `end`")

    @property
    def content(self) -> bytes:
        return self.base64 or (self.text or "").encode()


@blueprint.post("/executions/<uuid:id>/stdin")
@describe(Description({202: Given}, (401, 410), body=Input, example=EXAMPLE))
async def give_input(id: UUID) -> Response:
    """Give a run more to read; it must have been requested with `stdin_open`, and its input must not be ended.

    With an `offset` the same input is taken once, however often it is sent, and any other is refused with the offset
    that is expected. Without one it is added to what there is. A run that waits keeps it until it starts.
    """
    account = await current_account()
    wanted = await body(Input)
    check_owner(id, account, await crossing(backend().log.recall_history, id))
    given = await crossing(
        backend().inputs.give, context(account.id), id, wanted.content, is_last=wanted.end, offset=wanted.offset
    )
    return answer(given, 202)
