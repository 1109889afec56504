"""An account: its role, and the lock after too many wrong passwords."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.sealed import Sealed
from domain.user import Locked, Role, User

AT = datetime(2026, 1, 1, tzinfo=UTC)


def registered() -> User:
    user = User(id=UUID(int=1), username=Sealed(key=UUID(int=2), size=1, box=b"x"), role=Role.USER, timestamp=AT)
    user.collect_events()
    return user


def minutes(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def test_five_wrong_passwords_within_a_quarter_of_an_hour_lock_the_account():
    user = registered()
    for minute in range(5):
        user.fail_login(minutes(minute))
    with pytest.raises(Locked, match=r"try again in 1 min\.") as locked:
        user.log_in(minutes(14.99))
    assert locked.value.seconds == 1
    with pytest.raises(Locked, match=r"try again in 11 min\.") as locked:
        user.log_in(minutes(4.5))
    assert locked.value.seconds == 630


def test_the_lock_opens_when_the_first_failure_is_a_quarter_of_an_hour_old():
    user = registered()
    for minute in range(5):
        user.fail_login(minutes(minute))
    user.log_in(minutes(15))
    assert user.failures == ()


def test_wrong_passwords_while_locked_are_not_recorded():
    user = registered()
    for _ in range(5):
        user.fail_login(AT)
    user.collect_events()
    with pytest.raises(Locked):
        user.fail_login(minutes(1))
    assert user.collect_events() == []


def test_a_right_password_forgets_the_wrong_ones():
    user = registered()
    for minute in range(4):
        user.fail_login(minutes(minute))
    user.log_in(minutes(4))
    user.fail_login(minutes(5))
    user.log_in(minutes(6))


def test_a_locked_account_is_opened_and_an_open_one_is_left_as_it_is():
    user = registered()
    user.unlock(AT)
    assert user.collect_events() == []
    for _ in range(5):
        user.fail_login(AT)
    user.unlock(minutes(1))
    user.log_in(minutes(1))


def test_a_new_password_opens_a_locked_account():
    user = registered()
    for _ in range(5):
        user.fail_login(AT)
    user.reset_password(minutes(1))
    user.log_in(minutes(1))


def test_the_same_role_again_is_no_change():
    user = registered()
    user.change_role(Role.USER, AT)
    assert user.collect_events() == []
    user.change_role(Role.ADMIN, AT)
    assert user.role is Role.ADMIN
