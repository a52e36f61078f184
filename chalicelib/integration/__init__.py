"""Delivers an image's result to the third party as a signed XML document.

Start with `deliver`, the use case; `xml_document` makes what `third_party` sends.
"""
