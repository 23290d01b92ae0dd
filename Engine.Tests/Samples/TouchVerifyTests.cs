using Samples.Common;
using Samples.GameReplay.Playing;

namespace Engine.Tests.Samples;

/// <summary>The check of block contents finds a single wrong byte anywhere, and does not cry wolf.</summary>
[TestFixture]
internal sealed class TouchVerifyTests
{
    [Test]
    public void Every_single_changed_byte_is_found([Values(1, 7, 8, 9, 30)] int bytes)
    {
        byte[] block = new byte[bytes];
        TouchVerify.Fresh(ref block[0], (nuint)bytes, 5, 0, zeroed: true);
        TouchVerify.Check(ref block[0], (nuint)bytes, 5, "now");
        for (int place = 0; place < bytes; place++)
        {
            block[place] ^= 1;
            string size = bytes == 1 ? "1 byte" : $"{bytes} bytes";
            string message = $"block 5 of {size} has a changed byte at {place}, found now";
            Assert.That(
                () => TouchVerify.Check(ref block[0], (nuint)bytes, 5, "now"),
                Throws.TypeOf<RunFailedException>().With.Message.EqualTo(message));
            block[place] ^= 1;
        }
    }

    [Test]
    public void A_block_with_anothers_content_is_found()
    {
        byte[] block = new byte[64];
        TouchVerify.Fresh(ref block[0], 64, 5, 0, zeroed: false);
        Assert.That(() => TouchVerify.Check(ref block[0], 64, 6, "now"), Throws.TypeOf<RunFailedException>());
    }

    [Test]
    public void A_grown_block_keeps_the_old_part_and_gets_a_new_one()
    {
        byte[] block = new byte[100];
        TouchVerify.Fresh(ref block[0], 13, 5, 0, zeroed: true);
        TouchVerify.Resized(ref block[0], 13, 100, 5);
        TouchVerify.Check(ref block[0], 100, 5, "now");
        TouchVerify.Resized(ref block[0], 100, 3, 5);
        TouchVerify.Check(ref block[0], 3, 5, "now");
    }

    [Test]
    public void Memory_that_should_be_zeros_and_is_not_is_found()
    {
        byte[] block = new byte[20];
        block[19] = 1;
        Assert.That(() => TouchVerify.Fresh(ref block[0], 20, 5, 0, zeroed: true), Throws.TypeOf<RunFailedException>());
    }
}
