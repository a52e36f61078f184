"""The local stage: emulated AWS and a local Rekognition on one machine; never deployed."""
