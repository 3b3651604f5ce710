"""A supervisor in a process of its own: `python -m tests.portal.tree FOLDER NAME=SHELL-COMMAND …`.

Children are stopped in the order in which they are given.
"""

import signal
import sys
from pathlib import Path

from portal.child import Child
from portal.supervisor import Supervisor, SupervisorError

# Whoever started the tests in the background may have them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def main(folder: str, *definitions: str) -> None:
    children = []
    for stage, definition in enumerate(definitions):
        name, _, command = definition.partition("=")
        children.append(Child(name, ["sh", "-c", command], stage=stage, grace=1.0))
    try:
        with Supervisor(Path(folder), database=False) as supervisor:
            supervisor.start(children)
            supervisor.say("ready")
            supervisor.run_forever()
    except SupervisorError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # came before run_forever, which takes it for the end
        return


main(*sys.argv[1:])
