"""The facets of every provider whose tasks run on machines reached by SSH. The provider supplies the locations."""
