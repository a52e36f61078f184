"""A stored image becomes findings: Rekognition is asked once for each pending feature.

Begin with `recognize`, the use case; `rekognition` is the client, `reconcile` finds what was lost.
"""
