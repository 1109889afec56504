"""The keys that private content is sealed with."""

from typing import Any

import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.output import AsJson, Failed, counted, print_json, print_line, print_table, progress

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """The master keys by their ids, and how many data keys each wraps."""
    keys = _master_keys(data)
    if as_json:
        print_json(keys)
        return
    rows = [(key["id"], key["data_keys"], _words(key)) for key in keys]
    print_table(("master key", "data keys", ""), rows, "")


@app.command()
def rotate(data: Data = None, as_json: AsJson = False) -> None:
    """Wrap all data keys by a new master key, while everything runs; goes on where it was broken off."""
    from ops.master_key import RotationRuns  # noqa: PLC0415
    from ops.rotation import NothingToRotateTo  # noqa: PLC0415
    from ops.rotation import rotate as rotate_keys  # noqa: PLC0415

    settings = load_settings(data=data)
    container = core(settings)
    try:
        with progress("data keys") as tell:
            rotated = rotate_keys(settings, container.keyring(), container.data_keys(), tell)
    except (NothingToRotateTo, RotationRuns) as refused:
        raise Failed(str(refused)) from refused
    if as_json:
        print_json(rotated)
        return
    print_line(f"{counted(rotated.rewrapped, 'data key')} wrapped by the master key {rotated.master_key}.")
    if settings.master_key:
        print_line("Now take the old one out of previous_master_keys and restart; backups from before still need it.")


def _master_keys(data: Any) -> list[dict[str, Any]]:
    from adapters.secrets.master_keys import key_id  # noqa: PLC0415
    from ops.master_key import master_keys  # noqa: PLC0415

    settings = load_settings(data=data)
    container = core(settings)
    in_charge = container.keyring().master
    given = [key_id(key) for key in master_keys(settings)]
    numbers = container.data_keys().by_master_key()
    return [
        {"id": id, "data_keys": numbers.get(id, 0), "is_in_charge": id == in_charge, "is_given": id in given}
        for id in dict.fromkeys([in_charge, *given, *numbers])
    ]


def _words(key: dict[str, Any]) -> str:
    if not key["id"]:
        return "wrapped before master keys had ids; `runledger keys rotate` wraps them anew"
    if not key["is_given"]:
        return "not given: what it wraps cannot be read"
    return "wraps new data keys" if key["is_in_charge"] else ""
