import sys

from backups.streams.command import main

sys.exit(main())
