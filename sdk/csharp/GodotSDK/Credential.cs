#nullable enable
using System;
using System.Security.Cryptography;

namespace GodotSDK
{
    /// <summary>What shows who somebody is: to link it to an account, or to show that an account is one's own.</summary>
    public sealed class Credential
    {
        private Credential(params (string Name, object? Value)[] members)
        {
            Members = members;
        }

        internal (string Name, object? Value)[] Members { get; }

        /// <summary>A token of another issuer, such as the studio's own login.</summary>
        /// <param name="token">The token.</param>
        public static Credential OfToken(string token) => new Credential(("token", token));

        /// <summary>A device.</summary>
        /// <param name="device">The device.</param>
        public static Credential OfDevice(Device device) => new Credential(("device_id", device.Id), ("secret", device.Secret));

        /// <summary>The account's password: shows that an account is one's own, and cannot be linked.</summary>
        /// <param name="password">The password.</param>
        public static Credential OfPassword(string password) => new Credential(("password", password));
    }

    /// <summary>A device as a way to log in. Whoever has its id and its secret has the account: keep them where other programs do not read them.</summary>
    public sealed class Device
    {
        /// <summary>One that was kept.</summary>
        /// <param name="id">16 to 128 of letters, digits and <c>. _ : -</c>.</param>
        /// <param name="secret">Text of 32 random bytes.</param>
        public Device(string id, string secret)
        {
            Id = id;
            Secret = secret;
        }

        /// <summary>What the device calls itself.</summary>
        public string Id { get; }

        /// <summary>What only the device knows.</summary>
        public string Secret { get; }

        /// <summary>A new one, at random.</summary>
        public static Device Random() => new Device(RandomText(16), RandomText(32));

        private static string RandomText(int count)
        {
            var bytes = new byte[count];
            using (var random = RandomNumberGenerator.Create()) random.GetBytes(bytes);
            return Convert.ToBase64String(bytes).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        }
    }
}
