"""A QNode as a circuit: its tape recorded, its operators and measurements translated.

`recording` answers QNode calls while a model is traced, `call_key` says when two calls are alike.
"""
