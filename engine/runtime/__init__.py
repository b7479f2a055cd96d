"""The shell: batch, intake, journal, dispatch, outbox, timers, jobs. Knows no stage."""
