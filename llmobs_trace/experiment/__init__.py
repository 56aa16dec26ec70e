"""Runs experiments: a task over a dataset, scored by evaluators, whatever happens on the way.

- what runs: ``dataset`` and ``rows``, ``datadog_rows`` or ``store_rows``, what functions ask for
  (``parameters``), ``evaluators``, and all of it checked (``definition``), as users make it (``experiment``);
  ``rerun`` is what another run leaves to it
- where it is known by name: ``describing`` says what a run is, ``entering`` finds or makes its ``project``,
  dataset and experiment, ``passing_on`` says there how far it is; ``open_experiment`` does the same
  for a loop of the user's own, ``shared`` for one that several processes run
- one call of `run`: ``session`` goes on with the ``steps`` of a run that was begun, kept by ``appending``, if
  ``taking_up`` says so, from where ``states`` finds it, and ends by ``stop_signals`` in order;
  ``fingerprints`` and ``made_ids`` are the same in each process, ``git`` says which commit it was,
  ``keeping`` how long and how much is kept, ``whereabouts`` where steps and events go, ``plan`` what a run
  would do
- the work: ``run`` hands rows to threads, which share ``work``; ``task_steps`` and ``evaluator_steps`` bring
  each step to its end by ``calling`` users' functions, an ``attempt`` here or ``remote``; ``throttle``,
  ``limits`` and ``retrying`` hold it back; ``routing`` looks at what is recorded meanwhile
- what comes of it: a ``score`` makes metrics, ``silent_labels`` those that nobody gave, ``counts`` and
  ``summing_up`` sum them up, ``progress`` shows how far it is (``progress_text``); ``result``, ``gate``,
  ``baseline`` and ``interrupted`` are what users get, ``unfinished`` what is left of all
"""
