"""Working examples of plug-ins: what `facedeblur new plugin` writes, and what docs/extend.md shows."""
