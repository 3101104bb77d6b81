"""A threshold and p-values from rows held out of training: how often a new majority row raises an alarm."""

from sklearn_occ import ConOCC
from sklearn_occ.datasets import load_one_class_digits


def main():
    digits = load_one_class_digits(majority=3)
    majority = digits.X_test[digits.y_test == 1]
    minority = digits.X_test[digits.y_test == -1]
    for threshold_data in ("train", "validation"):
        occ = ConOCC(
            gamma=0.01,
            max_epochs=300,
            channels=16,
            contamination=0.1,
            threshold_data=threshold_data,
            validation_fraction=0.3,
            random_state=0,
        ).fit(digits.X_train)
        alarms = (occ.predict(majority) == -1).mean()
        found = (occ.predict(minority) == -1).mean()
        print(f"{threshold_data:10}: nominal 10 %, {alarms:.0%} of new majority rows, {found:.0%} of the minority")
    print(f"p-values of three majority rows: {occ.p_value(majority[:3]).round(2)}")
    print(f"p-values of three minority rows: {occ.p_value(minority[:3]).round(2)}")


if __name__ == "__main__":
    main()
