"""Events, tasks and journal entries: iCalendar in and out, recurrences, time zones."""
