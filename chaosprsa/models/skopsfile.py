"""A scikit-learn model as bytes by skops, never pickle: the same model, the same bytes.

skops names the parts by their addresses in memory and stamps them with the time; both are replaced by running numbers
and a fixed date. Loading trusts only the types listed here, whatever the file claims.
"""

import io
import re
import zipfile
from typing import Any

from chaosprsa.errors import InvalidDocument

TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
_STAMP = (1980, 1, 1, 0, 0, 0)  # the first date a zip knows
_NUMBER = re.compile(r'(?<="__id__": )\d+|(?<=")\d+(?=\.npy")')


def model_bytes(model: Any) -> bytes:
    """The model as a skops file."""
    import skops.io  # late: it takes a second

    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    schema = source.read("schema.json").decode()
    numbers: dict[str, str] = {}
    renamed = _NUMBER.sub(lambda found: numbers.setdefault(found.group(), str(len(numbers))), schema)
    parts = {name: source.read(name) for name in source.namelist() if name != "schema.json"}
    named = {f"{numbers[name.removesuffix('.npy')]}.npy": content for name, content in parts.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*sorted(named.items()), ("schema.json", renamed.encode())]:
            entry = zipfile.ZipInfo(name, date_time=_STAMP)
            archive.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return target.getvalue()


def model_from_bytes(content: bytes, where: str) -> Any:
    """The model of a skops file. Raises InvalidDocument: not one, or of types that aren't ours."""
    import skops.io  # late: it takes a second

    try:
        strange = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InvalidDocument(f"{where}: not a whole skops file ({error}); run learn again") from None
    if strange:
        raise InvalidDocument(f"{where}: it holds {strange[0]}, which no model of ours does; run learn again")
    return skops.io.loads(content, trusted=list(TRUSTED))
