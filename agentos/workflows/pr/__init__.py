"""Pull request: the branch is pushed, the change proposed, deployed, and put before a person."""
