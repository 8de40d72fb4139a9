"""The partitions: one a case. A case is added when it is registered, by a run or by the sensor of the inbox."""

from dagster import DynamicPartitionsDefinition

cases = DynamicPartitionsDefinition(name="case")
