"""The last known screen: kept while the dashboard runs, and painted at the next start before anything heavy is loaded.

`first_paint`, `screen_file` and `start_identity` import only cheap modules of the standard library.
"""
