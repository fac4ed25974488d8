"""The same training work done by pure Python, NumPy, PyTorch and the engine, and how fast.

``works``: what is to be done. ``candidates``: who does it (``python_steps``, ``numpy_steps``,
``torch_steps``, ``engine_steps``, ``without_jit``). ``check``: that they all do the same.
``measure``: in turns. ``limits``: what the machine could do at most. ``run`` puts them together,
``table`` and ``plot`` show the result.
"""
