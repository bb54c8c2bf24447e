"""What the matrix tells of each resource, for whoever ranks them."""

from services.availability.tests.calls import rule


async def test_the_matrix_tells_how_many_skills_each_has(team):
    await team.person("cy", rule(), skills=[{"name": "go"}, {"name": "sql", "level": 2}])
    found = await team.matrix()
    counts = {row.id: row.skill_count for row in found.resources}
    assert counts == {"ada": 0, "bo": 0, "cy": 2}
