"""A page on this machine to try it: a photo or a clip in, before and after side by side out, nothing kept."""
