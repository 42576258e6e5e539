"""What stands in for the services: warehouses as servers beside the tests, and the Python environments they run in.

W&B's own stand-in is `tests.weave_server`; the tests of the package `warehouse` are in `tests.warehouse`.
"""
