import time
from tests.weave_server.process import WeaveServer


def test_time(sdk_project, tmp_path):
    import weave_eval.load as l, weave_eval.destinations as d

    t = time.time()
    p = d.Profile("duckdb", "duckdb", "weave", {"credentials": str(tmp_path / "x.duckdb")})
    s = l.resolve_settings(project=sdk_project.name, api_key="test-key", base_url=sdk_project.server.url)
    r = l.load_project(s, p)
    print(r.as_dict(), time.time() - t)
    t = time.time()
    r = l.load_project(s, p)
    print(r.as_dict(), time.time() - t)
    import os

    print(os.listdir(os.environ["DLT_DATA_DIR"]))
