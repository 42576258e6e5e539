"""W&B's own trace server code, as its `weave` wheel ships it, behind HTTP: what the tests read from."""
