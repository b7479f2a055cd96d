"""The shell: batches, intake, journal, dispatch, outbox, timers, jobs, files.

It knows no stage; stages are given to it.
"""
