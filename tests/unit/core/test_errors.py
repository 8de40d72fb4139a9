import pytest

from m365dq_dagster.core.errors import BadInput, CaseBusy, InternalFault, M365dqError


@pytest.mark.parametrize(("kind", "code"), [(BadInput, 2), (CaseBusy, 4), (InternalFault, 3), (M365dqError, 3)])
def test_every_error_has_the_exit_code_of_the_contract_and_keeps_its_sentence(
    kind: type[M365dqError], code: int
) -> None:
    error = kind("The folder is empty; put the exports into it.")
    assert isinstance(error, M365dqError)
    assert error.exit_code == code
    assert str(error) == "The folder is empty; put the exports into it."
