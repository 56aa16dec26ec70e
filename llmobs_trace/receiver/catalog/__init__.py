"""Answers as Datadog does for projects, datasets, records and experiments, from the store. The service's
threads.

    routes      which path and method is answered by what
    asked       what came: ids in the path, filters, a page, a body
    requests    what bodies hold
    projects, datasets, records, experiments
                answer them
    written_events
                an experiment's spans and metrics, read back
    ddtrace     takes what ddtrace's SDK sends as events
    endpoint    a whole request → its answer
    answers     the shapes of what is answered
"""
