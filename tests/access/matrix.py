"""What each role may do, as the rule says it: written from the rule, never from the table of the product.

Columns: administrator, radiologist, technologist, clinician, researcher, auditor, patient, system, and whoever opened a
link, to look or to take away, too.

- `-`  refused, whatever it is asked of
- `G`  the own hospital's, and what was granted one by one
- `O`  the own hospital's, and nothing that was granted
- `P`  what is about the asker, and released
- `D`  what is made, de-identified, of the studies of the asker's project (that of `west`), and nothing by its own UIDs
- `L`  what the link is to
- `+`  allowed: it reads nobody's data, or writes for the own hospital
"""

from collections.abc import Mapping

from pacsd.access.principal import Role

ROLES = (Role.ADMINISTRATOR, Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.CLINICIAN, Role.RESEARCHER, Role.AUDITOR,
         Role.PATIENT, Role.SYSTEM, Role.LINK, Role.LINK_COPY)  # fmt: skip

RULES: Mapping[str, str] = {
    # who                       A R T C S U P S L K
    "read images":             "- G O G D - P G L L",
    "take images":             "- G O G D - P G - L",
    "read resources":          "- G O G - - P G - -",
    "store images":            "- + + - - - - + - -",
    "commit storage":          "- + + - - - - + - -",
    "read workitems":          "- O O O - - - O - -",
    "write workitems":         "- + + - - - - + - -",
    "watch workitems":         "- + + - - - - + - -",
    "read other instances":    "- O O O - - - O - -",
    "store other instances":   "- + + - - - - + - -",
    "hear subscriptions":      "- + - + - - - + - -",
    "write resources":         "- + + + - - - + - -",
    "read register":          "+ + + + - - + + - -",
    "write register":         "+ - - - - - - - - -",
    "batch":                   "+ + + + + + + + - -",
    "codes":                   "+ + + + + - + + - -",
    "count":                   "+ + + + - - - + - -",
    "export":                  "- - - - - - - + - -",
    "import":                  "- - - - - - - + - -",
    "find persons":            "- + + + - - - + - -",
    "numbers of the service":  "+ - - - - - - + - -",
    "share":                   "+ - - - - - - - - -",
    "break the glass":         "- + - + - - - - - -",
    "read audit":              "- - - - - + - - - -",
    "feed audit":              "- - - - - - - + - -",
    "open":                    "+ + + + + + + + + +",
    "make links":              "- + - + - - + + - -",
    "manage links":            "+ + - + - - + + - -",
    "close films":             "+ - - - - - - + - -",
}  # fmt: skip

# DICOMweb and operations: what of the rule each route is, by what the standard calls it
ROUTES: Mapping[str, str] = {
    "Search for Studies": "read images", "Search for Series": "read images", "Search for Instances": "read images",
    "Search for a Study's Series": "read images", "Search for a Study's Instances": "read images",
    "Search for a Series' Instances": "read images",
    "Retrieve Frames": "read images", "Retrieve Rendered Study": "read images",
    "Retrieve Rendered Series": "read images", "Retrieve Rendered Instance": "read images",
    "Retrieve Rendered Frames": "read images", "Retrieve Study Thumbnail": "read images",
    "Retrieve Series Thumbnail": "read images", "Retrieve Instance Thumbnail": "read images",
    "Retrieve Frame Thumbnail": "read images", "Retrieve Series Metadata": "read images",
    "Retrieve Study Metadata": "read images", "Retrieve Instance Metadata": "read images",
    "Retrieve Bulkdata": "read images", "Retrieve Study Bulkdata": "read images",
    "Retrieve Series Bulkdata": "read images", "Retrieve Instance Bulkdata": "read images",
    "Retrieve Study Pixel Data": "read images", "Retrieve Series Pixel Data": "read images",
    "Retrieve Instance Pixel Data": "read images",
    "Retrieve Instance": "take images", "Retrieve Series": "take images", "Retrieve Study": "take images",
    "Retrieve Instance by URI": "take images",
    "Store Instances": "store images", "Store Instances of a Study": "store images",
    "Create Workitem": "write workitems", "Retrieve Workitem": "read workitems", "Update Workitem": "write workitems",
    "Change Workitem State": "write workitems", "Request Cancellation": "write workitems",
    "Search for Workitems": "read workitems", "Subscribe": "watch workitems", "Unsubscribe": "watch workitems",
    "Suspend Global Subscription": "watch workitems", "Open Event Channel": "watch workitems",
    **{f"{verb} {name}": rule
       for name in ("Color Palettes", "Defined Procedure Protocols", "Hanging Protocols", "Implant Templates",
                    "Inventories")
       for verb, rule in (("Search for", "read other instances"), ("Retrieve one of", "read other instances"),
                          ("Store", "store other instances"), ("Store one of", "store other instances"))},
    "Request Storage Commitment": "commit storage", "Check Storage Commitment Result": "commit storage",
    "Retrieve Capabilities": "open", "Liveness": "open", "Readiness": "open", "Metrics": "numbers of the service",
    "Viewer": "open", "Film page": "open", "Share link": "open", "Open share link": "open",
}  # fmt: skip

# FHIR interactions by what the CapabilityStatement calls them, and operations by name
INTERACTIONS: Mapping[str, str] = {
    "capabilities": "open", "read": "read resources", "vread": "read resources", "update": "write resources",
    "patch": "write resources", "delete": "write resources", "history-instance": "read resources",
    "history-type": "read resources", "history-system": "read resources", "create": "write resources",
    "transaction": "batch", "batch": "batch", "search-type": "read resources", "search-system": "read resources",
    "bulk-status /_export": "export", "bulk-delete /_export": "export", "bulk-file /_export": "export",
    "bulk-status /_import": "import", "bulk-delete /_import": "import", "bulk-file /_import": "import",
}  # fmt: skip
OPERATIONS: Mapping[str, str] = {
    "meta": "read resources", "meta-add": "write resources", "meta-delete": "write resources",
    "validate": "read resources", "expand": "codes", "lookup": "codes", "validate-code": "codes", "subsumes": "codes",
    "translate": "codes", "everything": "read resources", "match": "find persons", "ihe-pix": "find persons",
    "document": "read resources", "summary": "read resources", "export": "export", "import": "import",
    "evaluate-measure": "count", "library": "count", "table": "count", "share": "share", "unshare": "share",
    "shares": "share", "masked-studies": "break the glass", "break-glass": "break the glass",
    "make-link": "make links", "links": "manage links", "revoke-link": "manage links", "close-film": "close films",
    "reopen-film": "close films",
    "status": "hear subscriptions", "events": "hear subscriptions", "get-ws-binding-token": "hear subscriptions",
}  # fmt: skip


def rule(name: str, role: Role) -> str:
    """The letter of a rule for a role."""
    return RULES[name].split()[ROLES.index(role)]


def seen_from(letter: str) -> frozenset[str]:
    """From which hospitals the study of `west` is seen: its owner, and that to which it was granted."""
    return {"G": frozenset({"west", "south"}), "O": frozenset({"west"}), "P": frozenset({"west", "east"}),
            "L": frozenset({"west"})}[letter]  # fmt: skip
