"""The same training steps by several implementations, checked and timed.

``workloads``: sizes, tokens and weights. ``contestants``: who does them (``reference_steps``,
``torch_steps``, ``jax_steps``, ``engine_steps``, some in an ``other_process``). ``check``:
comparison with the float64 ``oracle``. ``measure``: alternating rounds. ``machine``: its limits and
versions. ``run`` puts them together, ``table`` and ``plot`` show the result.
"""
