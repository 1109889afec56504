"""Makes a store ready to be used; all of it may be done again without harm."""

import secrets
from contextlib import suppress
from uuid import uuid4

from application.ports.log import Context
from domain.name import NameTaken
from domain.read_model import UnderWay
from domain.user import Role
from ops.containers.core import Core
from projections.registry import EFFECTS, READ_MODELS

ADMIN = "admin"


def prepare_store(container: Core) -> None:
    """Make read models, effects and indexes where they are missing."""
    log = container.log()
    container.journal().prepare()
    container.read_models().generations.prepare((*READ_MODELS, *EFFECTS), log.lane_heads(), log.lanes)
    container.sessions().prepare()
    rebuild_outdated(container)


def rebuild_outdated(container: Core) -> None:
    """Ask for new generations of what another version of this program has made; the old ones are asked meanwhile."""
    pointers = container.read_models().generations.pointers()
    for projection in READ_MODELS:
        if pointers[projection.name].version != projection.version:
            context = Context("operator", container.clock().now(), uuid4())
            with suppress(UnderWay):
                container.steering().rebuild(context, projection.name)


def make_admin(container: Core) -> str | None:
    """Make the first admin. Returns the password, which is stored nowhere; None when there is one already."""
    password = secrets.token_urlsafe(15)
    context = Context("operator", container.clock().now(), uuid4())
    try:
        container.accounts().register(context, ADMIN, password, Role.ADMIN)
    except NameTaken:
        return None
    return password
