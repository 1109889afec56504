"""Settings come from where they are said to come from, and what is wrong is refused in words."""

import stat
from pathlib import Path

import pytest

from ops.loading import load
from ops.master_key import KeyFile, RotationRuns, master_keys
from ops.settings import KEYS, SettingsInvalid, meaning, shown


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def with_file(data: Path, text: str) -> dict[str, str]:
    data.mkdir()
    (data / "runledger.toml").write_text(text)
    return {"RUNLEDGER_DATA": str(data)}


def test_every_key_says_what_it_means():
    assert [key for key in KEYS if not meaning(key)] == []


def test_variable_wins_over_file_and_command_line_over_both(data):
    environ = with_file(data, "port = 1000\nslots = 3\nmongo_database = 'one'\n")
    environ |= {"RUNLEDGER_PORT": "2000", "RUNLEDGER_SLOTS": "4"}

    settings = load(environ, port=3000, http=None)

    assert (settings.port, settings.slots, settings.mongo_database) == (3000, 4, "one")
    assert settings.sources == {
        "data": "RUNLEDGER_DATA",
        "port": "command line",
        "slots": "RUNLEDGER_SLOTS",
        "mongo_database": str(data / "runledger.toml"),
    }


def test_data_folder_of_the_command_line_is_where_the_file_is_looked_for(data):
    with_file(data, "port = 1000")

    assert load({}, data=data).port == 1000


def test_a_child_that_gets_the_environment_has_the_same_settings(data):
    environ = with_file(data, "port = 1000\nallow_weak_sandbox = true\nmax_cpus = 1\nredis_url = 'redis://h:1/0'\n")
    settings = load(environ)

    child = load(settings.environment())

    assert [getattr(child, key) for key in KEYS] == [getattr(settings, key) for key in KEYS]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"RUNLEDGER_PROT": "1"}, "RUNLEDGER_PROT.*nearest is RUNLEDGER_PORT"),
        ({"RUNLEDGER_PORT": "many"}, "RUNLEDGER_PORT = 'many'.*int"),
        ({"RUNLEDGER_PORT": "70000"}, "RUNLEDGER_PORT.*65535"),
        ({"RUNLEDGER_SLOTS": "0"}, "RUNLEDGER_SLOTS.*>= 1"),
        ({"RUNLEDGER_MONGO_URL": "localhost"}, "RUNLEDGER_MONGO_URL.*mongodb://"),
        ({"RUNLEDGER_KAFKA_SERVERS": "localhost"}, "RUNLEDGER_KAFKA_SERVERS.*host:port"),
        ({"RUNLEDGER_HTTP": "false"}, "http is false"),
        ({"RUNLEDGER_SANDBOX": "docker"}, "RUNLEDGER_SANDBOX.*docker.*on this machine, or on a cluster"),
        ({"RUNLEDGER_SANDBOX": "kubernetes"}, "no cluster is named: set kubeconfig"),
        ({"RUNLEDGER_SANDBOX": "kubernetes", "RUNLEDGER_KUBECONFIG": "/nowhere"}, "to a file that is there"),
        ({"RUNLEDGER_KUBERNETES_NAMESPACE": "No/Name"}, "RUNLEDGER_KUBERNETES_NAMESPACE"),
        ({"RUNLEDGER_CONFIG": "/nowhere/at.toml"}, "/nowhere/at.toml cannot be read"),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(environ, words):
    with pytest.raises(SettingsInvalid, match=words):
        load(environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "key prot in .*runledger.toml.*nearest is port"),
        ("port = '1000'", "port in .*runledger.toml.*int"),
        ("port = ", "not TOML"),
        ("data = 5", "data in .*a path"),
    ],
)
def test_a_bad_file_is_refused_by_its_name(data, text, words):
    environ = with_file(data, text)
    with pytest.raises(SettingsInvalid, match=words):
        load(environ)


def test_secrets_are_hidden_where_settings_are_shown():
    key, password = "ab" * 32, "sesame"
    settings = load({"RUNLEDGER_MASTER_KEY": key, "RUNLEDGER_MONGO_URL": f"mongodb://me:{password}@host/"})

    lines = str(shown(settings))

    assert key not in lines
    assert password not in lines
    assert "mongodb://********@host/" in lines


def test_a_refused_secret_is_not_repeated():
    with pytest.raises(SettingsInvalid) as refusal:
        load({"RUNLEDGER_MASTER_KEY": "sesame"})
    assert "sesame" not in str(refusal.value)


def test_the_master_key_is_made_once_and_only_its_owner_reads_it(data):
    data.mkdir()
    settings = load({}, data=data)

    (key,) = master_keys(settings)

    assert len(key) == 32
    assert master_keys(settings) == [key]
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert [file.name for file in data.iterdir()] == ["master.key"]


def test_the_master_key_of_the_settings_wins(data):
    assert master_keys(load({"RUNLEDGER_MASTER_KEY": "0f" * 32}, data=data)) == [b"\x0f" * 32]


def test_previous_master_keys_stand_behind_the_newest_one(data):
    environ = {"RUNLEDGER_MASTER_KEY": "0f" * 32, "RUNLEDGER_PREVIOUS_MASTER_KEYS": f"{'0e' * 32},{'0d' * 32}"}
    assert master_keys(load(environ, data=data)) == [b"\x0f" * 32, b"\x0e" * 32, b"\x0d" * 32]
    with pytest.raises(SettingsInvalid, match="64 hexadecimal digits each"):
        load({"RUNLEDGER_PREVIOUS_MASTER_KEYS": "sesame"})


def test_the_file_of_master_keys_is_replaced_whole_and_by_one_at_a_time(data):
    data.mkdir()
    file = KeyFile(data)
    (first,) = file.read_or_make()
    with file.held():
        file.replace([b"n" * 32, first])
        with pytest.raises(RotationRuns, match="wait for its end"), KeyFile(data).held():
            pass
    assert master_keys(load({}, data=data)) == [b"n" * 32, first]
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert {found.name for found in data.iterdir()} == {"master.key", "rotation.lock"}
    with file.held():
        pass


def test_a_lost_master_key_is_not_replaced_under_a_store(data):
    (data / "mongo").mkdir(parents=True)
    with pytest.raises(SettingsInvalid, match="restore it from a backup"):
        master_keys(load({}, data=data))
    assert not (data / "master.key").exists()


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 33, b"k" * 32 * 9])
def test_a_damaged_master_key_is_refused(data, content):
    data.mkdir()
    (data / "master.key").write_bytes(content)
    with pytest.raises(SettingsInvalid, match="does not hold keys of 32 bytes"):
        master_keys(load({}, data=data))
