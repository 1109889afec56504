"""The OpenAPI document without a running system: `python -m api.document > webapp/openapi.json`."""

import json
import sys

from api.app import create_app
from api.openapi import document

if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(create_app(None)), indent=2) + "\n")
