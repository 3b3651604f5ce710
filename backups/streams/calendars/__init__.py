"""Events, tasks and journal entries: iCalendar in and out, recurrences, time zones."""

import warnings

from icalendar.error import GloballyUniqueTZIDGuessed

# Which zone a name means is decided in zones.py; what the parser guesses is not used.
warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)
