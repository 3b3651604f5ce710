import sys

# The command is named after the room, and is none of its library.
from backups.standalone.main import main

sys.exit(main())
