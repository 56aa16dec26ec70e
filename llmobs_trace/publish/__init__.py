"""Sends what the local store holds of an experiment to Datadog, and proves that it is there. The command's
thread.

    naming        what project, dataset and experiment are called there
    dataset_rows  an experiment's rows → the records of a dataset
    other_ids     an event → the same event under other ids
    publishing    everything that is not there yet → there
    rehearsal     what that would send, without sending
    fingerprints  an event → what two of it have in common, wherever they were kept
    expected      what must be there: what was published, or what a run's steps say
    reconciling   what must be there beside what is
"""
