"""Recognition: turns a stored image into findings, and pays for each pending feature only once.

Begin with `recognize`, the use case. `rekognition` wraps the client, and `reconcile` requeues
images whose messages were lost.
"""
