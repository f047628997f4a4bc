"""Photos, folders and videos: find the faces, deblur them, paste them back."""
