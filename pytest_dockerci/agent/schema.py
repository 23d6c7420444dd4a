"""Which JSON values a field of a message takes, by its annotation."""

from typing import Any, Dict, List, Tuple

# JSON's view of each annotation in `wire`; `bool` is no number here.
_JSON_TYPES: Dict[Any, Tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    List[str]: (list,),
    List[int]: (list,),
    List[Any]: (list,),
    List[List[float]]: (list,),
    List[List[str]]: (list,),
    List[Dict[str, Any]]: (list,),
    Dict[str, str]: (dict,),
    Dict[str, Any]: (dict,),
}
_ELEMENT_TYPES: Dict[Any, Tuple[type, ...]] = {
    List[str]: (str,),
    List[int]: (int,),
    List[List[float]]: (list,),
    List[List[str]]: (list,),
    List[Dict[str, Any]]: (dict,),
    Dict[str, str]: (str,),
}
_ROW_TYPES: Dict[Any, Tuple[type, ...]] = {List[List[float]]: (int, float), List[List[str]]: (str,)}


def fits(value: Any, annotation: Any) -> bool:
    """True when a value has the type of a field, its elements included."""
    if isinstance(value, bool) or not isinstance(value, _JSON_TYPES[annotation]):
        return False
    element_types = _ELEMENT_TYPES.get(annotation)
    if element_types is None:
        return True
    elements = list(value.values()) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    if not all(isinstance(element, element_types) for element in elements):
        return False
    # The numbers of a row are added up: exact types, so that neither a text nor `true` is one.
    exact_types = _ROW_TYPES.get(annotation)
    return exact_types is None or all(type(each) in exact_types for row in elements for each in row)
