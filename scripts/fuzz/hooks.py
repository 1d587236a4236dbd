"""What keeps the requests from all being refused for the same reason."""

import json
import os
from itertools import count

import schemathesis
from schemathesis.generation.meta import TestPhase

SPEC = json.loads(os.environ["FUZZ_SPEC"])
CALLS = count()


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(CALLS)
    # Nobody but the operator may send it, so with it the answer is 403 whatever else is asked.
    if number % 16 and case.headers:
        for name in [name for name in case.headers if name.lower() == "on-behalf-of-namespace"]:
            del case.headers[name]
    # The phase of coverage changes one field at a time; what is made up at random elsewhere is
    # refused with 422 at best.
    if case.meta and case.meta.phase.name == TestPhase.COVERAGE:
        return
    if number % 4 and isinstance(case.body, dict) and "spec" in case.body:
        case.body["spec"] = SPEC
        if "project" in case.body:
            case.body["project"] = "treasury"


@schemathesis.serializer("application/offset+octet-stream")
def bytes_of_an_upload(context, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()
