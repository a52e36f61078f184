"""A result becomes a signed XML document at the third party.

Begin with `deliver`, the use case; `xml_document` makes what `third_party` sends.
"""
