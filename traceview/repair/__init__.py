"""Getting lost bytes back: from the source image, which has them, into the image that the guest was moved to."""
