"""The Worklist Service, UPS-RS (PS3.18 chapter 11): one module for each transaction."""
