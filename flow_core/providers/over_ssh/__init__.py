"""The facets of every provider whose tasks run on machines reached by SSH. A provider says where; this says how."""
