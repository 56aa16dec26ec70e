"""Lives with the process: its set-up, first span, forks, children, signals and exit; any thread.

configure     the options as keywords → a configuration
life          the first span, forks, the exit; `flush`, `shutdown`, `delivery_stats`
meanwhile     what is recorded goes elsewhere while a run needs it to, and then back
children      processes that are started and not forked
worker_exits  workers of pools and servers that leave without the exit's hooks
signals       Python's signal handlers, put off while a fork's hooks run
"""
