"""A place to work in: started when it isn't there, found again when it is, stopped at the end."""

from flow_core import Flow

with Flow() as flow, flow.dev_context(auto_stop=True) as dev:
    print("dev VM", dev.ensure_started().name)
    code = dev.exec("python3 -c 'print(6 * 7)'")
    print("exit code", code)
