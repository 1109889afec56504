"""Makes a store ready to be used; all of it may be done again without harm."""

import secrets
from uuid import uuid4

from application.ports import Context
from domain.name import NameTaken
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


def make_admin(container: Core) -> str | None:
    """Make the first admin. Returns the password, which is stored nowhere; None when there is one already."""
    password = secrets.token_urlsafe(15)
    context = Context("operator", container.clock().now(), uuid4())
    try:
        container.accounts().register(context, ADMIN, password, Role.ADMIN)
    except NameTaken:
        return None
    return password
