"""The same training steps by pure Python, NumPy, PyTorch and the engine, checked and timed.

``workloads``: sizes, tokens and weights. ``contestants``: who does them (``reference_steps``,
``torch_steps``, ``engine_steps``). ``check``: comparison with the float64 ``oracle``. ``measure``:
alternating rounds. ``machine``: its limits and versions. ``run`` puts them together, ``table`` and
``plot`` show the result.
"""
